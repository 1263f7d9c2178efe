// What the page asks of its server, and nobody else.

const base = location.pathname.replace(/\/$/, "");

export class Closed extends Error {} // the server will not take it, however often it is asked

async function request(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const reply = await fetch(`${base}/${path}`, { ...options, credentials: "same-origin", cache: "no-store" });
  if (reply.ok) return reply;
  const error = reply.status === 429 || reply.status >= 500 ? new Error() : new Closed();
  error.message = `${reply.status}`;
  throw error;
}

/** Ask until there is an answer; meanwhile say that there is trouble. */
async function patiently(path, body, words) {
  const trouble = document.getElementById("trouble");
  for (let wait = 500; ; wait = Math.min(2 * wait, 8000)) {
    try {
      const reply = await request(path, body);
      trouble.textContent = "";
      return reply;
    } catch (error) {
      if (error instanceof Closed) {
        trouble.textContent = words?.closed ?? error.message;
        throw error;
      }
      trouble.textContent = words?.trouble ?? "…";
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}

export const state = async () => (await patiently("state")).json();
export const start = (language, words) => patiently("start", { language, agreed: true }, words);
export const save = (key, data, words) => patiently("save", { key, data }, words);
export const withdraw = (words) => patiently("withdraw", {}, words);

const clips = new Map();

/** Fetch a clip, once; the promise of its audio. */
export function clip(name, words) {
  if (!clips.has(name)) clips.set(name, patiently(`clip/${name}`, undefined, words).then((reply) => reply.blob()));
  return clips.get(name);
}
