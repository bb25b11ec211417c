import type { ComponentChildren } from "preact";
import { keysNow } from "../keys";
import { Dialog } from "./dialog";

/** All keys that work in this view. */
export function Help({ onClose }: { onClose(): void }): ComponentChildren {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl class="keys">
        {keysNow().map(({ key, does }) => (
          <div key={key}>
            <dt>
              {key.split(" ").map((part) => (
                <kbd key={part}>{part}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
