// The page: a button, a conversation. How it gets to the server and back is in
// webrtc.js and websocket.js; what is told of the call, in teller.go.

import * as webrtc from "./webrtc.js";
import * as websocket from "./websocket.js";

const $ = (id) => document.getElementById(id);
const transports = { webrtc, websocket };

let call = null;

$("talk").addEventListener("click", async () => {
  if (waits()) return;
  if (call) {
    call.hangUp();
    return;
  }
  $("problem").hidden = true;
  waits(true);
  try {
    call = await begin();
    pressed(true);
  } catch (error) {
    problem(explain(error));
  } finally {
    waits(false);
  }
});

// waits has the button wait until the call has begun, or tells whether it does. A button
// that is disabled would lose the keyboard's focus.
function waits(on) {
  if (on !== undefined) $("talk").setAttribute("aria-disabled", on);
  return $("talk").getAttribute("aria-disabled") === "true";
}

addEventListener("pagehide", () => call?.hangUp());

$("mute").addEventListener("change", () => call?.mute($("mute").checked));

function pressed(on) {
  $("talk").classList.toggle("on", on);
  $("talk").textContent = on ? "Hang up" : "Start talking";
  $("mute").disabled = !on;
  $("mute").checked = false;
  if (!on) $("mic").value = $("bot").value = 0;
}

function problem(text) {
  $("problem").textContent = text;
  $("problem").hidden = false;
}

function explain(error) {
  switch (error.name) {
    case "NotAllowedError":
      return "The browser does not give this page the microphone. Allow it beside the address, and try again.";
    case "NotFoundError":
      return "There is no microphone. Connect one, and try again.";
    case "NotReadableError":
      return "The microphone is in use by another program, or does not work.";
  }
  return error.message;
}

// begin opens the microphone, then the connection: over WebRTC if the network lets it
// through, otherwise over a WebSocket.
async function begin() {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers give the microphone to pages of this machine (http://localhost) and to those with TLS (https://) only.");
  }
  const microphone = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  });
  const [track] = microphone.getAudioTracks();
  try {
    const wanted = $("transport").value;
    let told = null; // why the server let the call through in no other way
    for (const name of wanted === "auto" ? ["webrtc", "websocket"] : [wanted]) {
      const page = conversation();
      try {
        const connection = await transports[name].connect(microphone, page);
        page.begin(name, connection);
        if (page.over()) throw Object.assign(new Error(page.over()), { refused: true });
        track.onended = () => page.end("The microphone was disconnected.");
        return {
          hangUp: () => page.end(""),
          mute: (on) => (track.enabled = !on),
        };
      } catch (error) {
        // Of a WebSocket a browser does not tell why it was refused.
        if (wanted !== "auto" || name === "websocket" || error.refused) throw error.untold && told ? told : error;
        if (error.told) told = error;
        console.info(`${name}: ${error.message}`);
      }
    }
  } catch (error) {
    track.stop();
    throw error;
  }

  // conversation is what a connection tells the page.
  function conversation() {
    const latencies = [];
    const lines = new Map();
    const first = []; // messages that come before the call is shown
    let moves = 0;
    let connection = null;
    let over = ""; // why it has ended
    let early = ""; // likewise, before it has begun

    const told = {
      service: ({ text }) => ($("service").textContent = text),
      latency: ({ ms }) => {
        latencies.push(ms);
        const sorted = latencies.toSorted((a, b) => a - b);
        $("latency").textContent = `${ms} ms`;
        $("median").textContent = `${sorted[sorted.length >> 1]} ms`;
      },
      swap: ({ number, step, reason, from, to }) => {
        moves = Math.max(moves, number);
        $("moves").textContent = moves;
        if (step === "cut") $("stream").textContent = to;
        const item = document.createElement("li");
        item.textContent = `${new Date().toLocaleTimeString()}  move ${number}: ${step} (${reason}), stream ${from}${to ? ` → ${to}` : ""}`;
        $("swaps").append(item);
      },
      entry: (entry) => {
        let line = lines.get(entry.id);
        if (!line) {
          line = document.createElement("li");
          line.append(span("who"), span("text"));
          lines.set(entry.id, line);
          $("transcript").append(line);
        }
        const agent = entry.who === "agent";
        line.className = `${entry.who} ${["interim", "announced", "called", "running"].includes(entry.state) ? "pending" : ""}`;
        line.querySelector(".who").textContent = { caller: "You", agent: "Agent", tool: "Tool" }[entry.who] ?? entry.who;
        const text = line.querySelector(".text");
        text.textContent = entry.tool ? toolCall(entry) : entry.text;
        if (!line.classList.contains("pending")) $("announced").textContent = line.textContent;
        if (agent && entry.unheard) {
          const rest = document.createElement(entry.state === "cut" || entry.state === "unheard" ? "s" : "span");
          rest.textContent = ` ${entry.unheard}`;
          text.append(rest);
        }
      },
    };

    return {
      // begin shows the call.
      begin(name, conn) {
        connection = conn;
        $("transcript").replaceChildren();
        $("swaps").replaceChildren();
        $("latency").textContent = $("median").textContent = "–";
        $("stream").textContent = "1";
        $("moves").textContent = "0";
        $("way").textContent = { webrtc: "WebRTC", websocket: "WebSocket" }[name];
        first.splice(0).forEach(this.message);
        if (early) this.end(early);
        else if (track.readyState === "ended") this.end("The microphone was disconnected.");
      },

      // message shows what the server tells.
      message(message) {
        if (connection) told[message?.type]?.(message);
        else first.push(message);
      },

      // waiting shows that the connection was lost, and is looked for again.
      waiting(on) {
        if (connection && !over) $("waiting").hidden = !on;
      },

      // over returns why the call has ended, if it has.
      over: () => over,

      // levels shows how loud microphone and agent are, from 0 to 1.
      levels(mic, bot) {
        $("mic").value = mic;
        $("bot").value = bot;
      },

      // end ends the call, with a text if there is something to say.
      end(text) {
        if (!connection) early ||= text || "The call has ended.";
        if (over || !connection) return;
        over = text || "The call has ended.";
        call = null;
        $("waiting").hidden = true;
        pressed(false);
        if (text) problem(text);
        track.stop();
        connection.close();
      },
    };
  }
}

// toolCall is what a call of a tool looks like.
function toolCall({ tool, state, arguments: args, result }) {
  const short = (value) => {
    const text = JSON.stringify(value);
    return text.length > 200 ? `${text.slice(0, 200)}…` : text;
  };
  return `${tool}(${args ? short(args) : ""})${result ? ` → ${short(result)}` : ` ${state}`}`;
}

function span(name) {
  const s = document.createElement("span");
  s.className = name;
  return s;
}
