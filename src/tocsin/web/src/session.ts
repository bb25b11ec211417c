// Who asks, and whether tokens are asked for at all.
import { get } from "./api";
import { type Answer, useAsked } from "./asked";

export interface Session {
  scope: "admin" | "read" | null;
  name: string | null;
  needs_token: boolean;
}

export function useSession(): Answer<Session> {
  return useAsked<Session>((signal) => get("session", undefined, signal), []);
}
