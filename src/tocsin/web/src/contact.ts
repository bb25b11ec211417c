// Whether the service answers, as the dot in the page's head says it.
import { useSyncExternalStore } from "preact/compat";

export interface Contact {
  /** ms since 1970 when it was first missed; null: it answers. */
  lostAt: number | null;
}

const followers = new Set<() => void>();
let state: Contact = { lostAt: null };

function set(next: Contact): void {
  state = next;
  for (const follower of followers) follower();
}

export const contact = {
  heard(): void {
    if (state.lostAt !== null) set({ lostAt: null });
  },
  lost(): void {
    if (state.lostAt === null) set({ lostAt: Date.now() });
  },
};

export function useContact(): Contact {
  return useSyncExternalStore(
    (follower) => {
      followers.add(follower);
      return () => followers.delete(follower);
    },
    () => state,
  );
}
