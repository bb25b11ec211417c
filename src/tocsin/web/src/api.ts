// The one way to the service: every request of the page goes through `ask`.
import { contact } from "./contact";
import { go, here, link, type Query } from "./router";

/** What the service said no with; `status` 0: it gave no answer. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

export interface Asked {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  query?: Query | URLSearchParams;
  /** Sent as JSON; a Blob or a File as it is. */
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

/** Ask `/api/v1/<path>`; without a session the log-in view is shown. Errors: `ApiError`. */
export async function ask<T>(path: string, asked: Asked = {}): Promise<T> {
  const answer = await sent(address(path, asked.query), asked);
  if (answer.status === 401) toLogin();
  if (!answer.ok) throw new ApiError(answer.status, await reason(answer));
  if (answer.status === 204) return undefined as T;
  const text = await answer.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

export function get<T>(path: string, query?: Asked["query"], signal?: AbortSignal): Promise<T> {
  return ask<T>(path, { ...(query && { query }), ...(signal && { signal }) });
}

export function post<T>(path: string, body?: unknown, query?: Asked["query"]): Promise<T> {
  return ask<T>(path, { method: "POST", body, ...(query && { query }) });
}

/** The address of something in the interface, for links and pictures. */
export function address(path: string, query?: Asked["query"]): string {
  const given = query instanceof URLSearchParams ? query : new URLSearchParams(plain(query));
  return `/api/v1/${path}${given.size ? `?${given}` : ""}`;
}

function plain(query: Query = {}): Record<string, string> {
  const known = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(known.map(([key, value]) => [key, String(value)]));
}

async function sent(url: string, { method = "GET", body, signal, headers }: Asked): Promise<Response> {
  const raw = body instanceof Blob;
  const request: RequestInit = {
    method,
    // Tells the service that it is this page that asks: pages of others cannot send it.
    headers: {
      "X-Tocsin-Page": "1",
      ...(body !== undefined && !raw && { "Content-Type": "application/json" }),
      ...headers,
    },
    credentials: "same-origin",
    ...(body !== undefined && { body: raw ? body : JSON.stringify(body) }),
    ...(signal && { signal }),
  };
  try {
    const answer = await fetch(url, request);
    contact.heard();
    return answer;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    contact.lost();
    throw new ApiError(0, "Tocsin gives no answer");
  }
}

async function reason(answer: Response): Promise<string> {
  try {
    const said = (await answer.json()) as { detail?: string; extra?: unknown };
    return said.detail || answer.statusText;
  } catch {
    return answer.statusText || `status ${answer.status}`;
  }
}

function toLogin(): void {
  const { path, href } = here();
  if (path[0] !== "login") go(link(["login"], { next: href === "/" ? "" : href }), { replace: true });
}
