// Something asked of the service by a component: loading, there, or in trouble; asked again in time.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "./api";

export interface Answer<T> {
  /** The newest answer, kept while it is asked again and while that fails. */
  data: T | undefined;
  error: ApiError | undefined;
  /** Ask now. */
  again(): void;
}

/**
 * Ask whenever one of `inputs` changes, every so many ms (not while the page is hidden), and when
 * told to. Answers that were overtaken are dropped.
 */
export function useAsked<T>(
  question: (signal: AbortSignal) => Promise<T>,
  inputs: readonly unknown[],
  every?: number,
): Answer<T> {
  const [state, setState] = useState<{ data?: T; error?: ApiError; key?: string }>({});
  const latest = useRef(question);
  latest.current = question;
  const [round, setRound] = useState(0);
  const key = JSON.stringify(inputs);

  useEffect(() => {
    const gone = new AbortController();
    let timer = 0;
    async function once(): Promise<void> {
      if (!(document.hidden && every)) await answered();
      if (every && !gone.signal.aborted) timer = window.setTimeout(() => void once(), every);
    }
    async function answered(): Promise<void> {
      try {
        const data = await latest.current(gone.signal);
        if (!gone.signal.aborted) setState({ data, key });
      } catch (error) {
        if (gone.signal.aborted) return;
        const told = error instanceof ApiError ? error : new ApiError(0, String(error));
        setState((before) => ({ ...before, error: told }));
      }
    }
    const seen = (): void => {
      if (!document.hidden && every) void answered();
    };
    document.addEventListener("visibilitychange", seen);
    void once();
    return () => {
      gone.abort();
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [key, every, round]);

  const again = useCallback(() => setRound((value) => value + 1), []);
  return { data: state.key === key ? state.data : undefined, error: state.error, again };
}

/** The last that was there, while the next is on its way. */
export function useKept<T>(value: T | undefined): T | undefined {
  const kept = useRef(value);
  if (value !== undefined) kept.current = value;
  return kept.current;
}
