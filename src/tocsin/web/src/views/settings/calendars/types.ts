// Maintenance windows as the service has them.

export interface Weekly {
  /** 0 is Monday. */
  days: number[];
  /** "HH:MM" in the calendar's zone; `to` at or before `from` is on the next day. */
  from: string;
  to: string;
}

/** What is said to make one. */
export interface CalendarWish {
  match: string;
  /** When it holds at all, in UTC; null: without bound. */
  start: string | null;
  end: string | null;
  weekly: Weekly | null;
  timezone: string;
  /** false: nobody is alarmed. */
  alarm: boolean;
  /** false: nothing is learnt. */
  learn: boolean;
  text: string;
}

export interface Calendar extends CalendarWish {
  id: number;
  author: string;
  created: string;
  /** It is now. */
  active: boolean;
}
