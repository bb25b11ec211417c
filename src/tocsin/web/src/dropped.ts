// A file that is dragged onto the page, wherever it is dropped.
import { useSyncExternalStore } from "preact/compat";
import { go, here } from "./router";

interface Dropped {
  /** Something is held over the page. */
  over: boolean;
  file: File | null;
}

const followers = new Set<() => void>();
let state: Dropped = { over: false, file: null };

function set(next: Partial<Dropped>): void {
  state = { ...state, ...next };
  for (const follower of followers) follower();
}

/** Take a file as if it had been dropped: the view that reports it is shown. */
export function takeFile(file: File | null | undefined): void {
  set({ over: false, file: file ?? null });
  if (file && here().path[0] !== "add") go("/add");
}

export function startDrop(): void {
  const files = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
  window.addEventListener("dragover", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    if (!state.over) set({ over: true });
  });
  window.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null && state.over) set({ over: false });
  });
  window.addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    takeFile(event.dataTransfer?.files[0]);
  });
}

export function useDropped(): Dropped {
  return useSyncExternalStore(
    (follower) => {
      followers.add(follower);
      return () => followers.delete(follower);
    },
    () => state,
  );
}
