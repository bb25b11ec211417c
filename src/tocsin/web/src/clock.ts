// The time that passes, for "3 min ago".
import { useEffect, useState } from "preact/hooks";

/** ms since 1970, renewed every so many ms. */
export function useNow(every = 10_000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), every);
    return () => window.clearInterval(timer);
  }, [every]);
  return now;
}
