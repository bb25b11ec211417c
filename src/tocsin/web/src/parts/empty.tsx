// What is said where there is nothing (yet), where something is loaded, and where it failed.
import type { ComponentChildren } from "preact";
import type { ApiError } from "../api";

export function Empty({ title, children }: { title: string; children?: ComponentChildren }): ComponentChildren {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children && <div class="empty-text">{children}</div>}
    </div>
  );
}

/** Grey bars in the shape of what is to come; shown only when it takes a moment. */
export function Loading({ rows = 3, label = "Loading" }: { rows?: number; label?: string }): ComponentChildren {
  return (
    <div class="loading" role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, i) => (
        <span key={i} />
      ))}
    </div>
  );
}

/** Why there is nothing to see, in the service's words, and a way to try again. */
export function Trouble({ error, again }: { error: ApiError; again?: () => void }): ComponentChildren {
  return (
    <div class="trouble" role="alert">
      <p>
        {error.message}
        {error.status > 0 && <span class="muted"> ({error.status})</span>}
      </p>
      {again && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}
