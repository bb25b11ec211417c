// Text to copy, with a button that does.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Icon } from "./icon";

/** How long it says that it was copied. */
const SAID_MS = 2_000;

export function Snippet({ title, text }: { title: string; text: string }): ComponentChildren {
  const [copied, setCopied] = useState(false);
  async function copy(event: MouseEvent): Promise<void> {
    await copyText(text, event.currentTarget as HTMLElement);
    setCopied(true);
    window.setTimeout(() => setCopied(false), SAID_MS);
  }
  return (
    <figure class="snippet">
      <figcaption>
        <span>{title}</span>
        <button class="plain" type="button" aria-label={`Copy: ${title}`} onClick={(event) => void copy(event)}>
          <Icon name={copied ? "check" : "copy"} />
          <span aria-live="polite">{copied ? "copied" : "copy"}</span>
        </button>
      </figcaption>
      <pre tabIndex={0} aria-label={title}>
        {text}
      </pre>
    </figure>
  );
}

/** Over plain HTTP on another machine browsers have no clipboard for pages: then by selecting. */
async function copyText(text: string, near: HTMLElement): Promise<void> {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const field = document.createElement("textarea");
  field.value = text;
  near.after(field);
  field.select();
  document.execCommand("copy");
  field.remove();
  near.focus();
}
