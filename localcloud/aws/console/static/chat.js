// The chat box: a conversation with one component, whose answers appear as they arrive.

import { stream } from "./api.js";
import { labelled, offer } from "./actions.js";
import { element } from "./elements.js";
import { value } from "./format.js";

export class Chat {
  constructor(choices, say) {
    this.say = say;
    this.messages = [];
    this.on = element("select", { id: "chat-on", onchange: () => this.forget() });
    this.tokens = element("input", { id: "chat-tokens", type: "number", min: "1", max: choices.limits.max_tokens, value: "128", required: true });
    this.text = element("textarea", { id: "chat-text", rows: "2", required: true, placeholder: "What is the capital of France?", onkeydown: (event) => this.key(event) });
    this.log = element("ol", { id: "chat-log", class: "chat", role: "log", "aria-label": "Conversation", tabindex: "0" });
    this.send = element("button", { id: "chat-send" }, "Send");
    this.stop = element("button", { id: "chat-stop", type: "button", disabled: true, onclick: () => this.abort?.abort() }, "Stop");
    this.node = element("form", { class: "tool talk", "aria-labelledby": "tool-chat", onsubmit: (event) => { event.preventDefault(); this.ask(); } },
      element("h3", { id: "tool-chat" }, "Talk to it"), labelled("Component", this.on), labelled("Tokens at most", this.tokens), this.log, labelled("Message (Enter sends, Shift+Enter begins a line)", this.text),
      element("p", { class: "buttons" }, this.send, this.stop, element("button", { id: "chat-forget", type: "button", onclick: () => this.forget() }, "Forget")));
  }

  show(fleet) {
    offer(this.on, fleet, true);
  }

  close() {
    this.abort?.abort();
  }

  key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.node.requestSubmit();
  }

  forget() {
    this.abort?.abort();
    this.messages = [];
    this.log.replaceChildren();
  }

  add(role, text) {
    const body = element("p", {}, text), foot = element("small", {});
    this.log.append(element("li", { class: role }, element("b", {}, role === "user" ? "You" : this.on.selectedOptions[0]?.textContent ?? ""), body, foot));
    this.log.scrollTop = this.log.scrollHeight;
    return { body, foot };
  }

  async ask() {
    if (this.abort || !this.on.value) return;
    const [endpoint, component] = JSON.parse(this.on.value), asked = this.text.value;
    const conversation = [...this.messages, { role: "user", content: asked }];
    this.messages = conversation;
    this.add("user", asked);
    this.text.value = "";
    const abort = this.abort = new AbortController();
    this.stop.disabled = false;
    this.send.disabled = true;
    this.log.setAttribute("aria-busy", "true"); // who listens hears the answer once, when it is whole
    const { body, foot } = this.add("assistant", "");
    const began = performance.now();
    let first = null, text = "", parts = 0, counted = null, problem = "";
    try {
      for await (const event of stream("actions/chat", abort.signal, { endpoint, component, messages: conversation, max_tokens: Number(this.tokens.value) })) {
        if (event.data === "[DONE]") break;
        const chunk = JSON.parse(event.data);
        if (event.name === "problem" || chunk.error) throw new Error(chunk.message ?? chunk.error.message);
        counted = chunk.usage?.completion_tokens ?? counted;
        const delta = chunk.choices?.[0]?.delta ?? {}, piece = (delta.reasoning_content ?? "") + (delta.content ?? "");
        if (!piece) continue;
        first ??= performance.now();
        parts += 1;
        text += piece;
        body.textContent = text;
        this.log.scrollTop = this.log.scrollHeight;
      }
    } catch (error) {
      problem = abort.signal.aborted ? "stopped" : error.message;
    }
    const seconds = first === null ? 0 : (performance.now() - first) / 1000, tokens = counted ?? parts;
    const speed = first === null ? "" : `first token after ${value((first - began) / 1000, "s")}, ${tokens} tokens${tokens > 1 && seconds > 0 ? `, ${value((tokens - 1) / seconds)} tokens/s` : ""}`;
    foot.textContent = [speed, problem].filter(Boolean).join(" · ");
    foot.className = problem && problem !== "stopped" ? "bad" : "";
    if (this.messages === conversation) this.messages = text ? [...conversation, { role: "assistant", content: text }] : conversation.slice(0, -1);
    this.abort = null;
    this.stop.disabled = true;
    this.send.disabled = false;
    this.log.removeAttribute("aria-busy");
    this.say(problem || "the answer is complete");
    this.log.scrollTop = this.log.scrollHeight;
  }
}
