// The page: a button, a conversation. What is spoken on the wire is described in
// the documentation of websocket.PCM; what is told of the call, in teller.go.

const $ = (id) => document.getElementById(id);
const rates = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000];

let call = null;

$("talk").addEventListener("click", async () => {
  if (call) {
    call.hangUp();
    return;
  }
  $("problem").hidden = true;
  $("talk").disabled = true;
  try {
    call = await begin();
    pressed(true);
  } catch (error) {
    problem(explain(error));
  } finally {
    $("talk").disabled = false;
  }
});

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

// begin opens microphone and loudspeaker, then the connection.
async function begin() {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers give the microphone to pages of this machine (http://localhost) and to those with TLS (https://) only.");
  }
  const microphone = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  });
  let context = null;
  const close = async () => {
    microphone.getTracks().forEach((track) => track.stop());
    if (context?.state !== "closed") await context?.close();
  };
  try {
    context = new AudioContext({ latencyHint: "interactive" });
    if (!rates.includes(context.sampleRate)) {
      await context.close();
      context = new AudioContext({ latencyHint: "interactive", sampleRate: 48000 });
    }
    await context.audioWorklet.addModule("sound.js");
    const sound = new AudioWorkletNode(context, "sound", { outputChannelCount: [2] });
    sound.port.onmessage = () => {}; // nobody listens before the call has begun
    context.createMediaStreamSource(microphone).connect(sound).connect(context.destination);
    await context.resume();
    const socket = await connect(context.sampleRate);
    return conduct(socket, sound, microphone, context, close);
  } catch (error) {
    await close();
    throw error;
  }
}

// connect returns a socket on which the call has begun.
function connect(rate) {
  const url = new URL("call", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.search = location.search; // the token
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  return new Promise((resolve, reject) => {
    const format = { rate, channels: 1 };
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", version: 1, input: format, output: format, marks: true }));
    socket.onmessage = () => resolve(socket);
    socket.onclose = (event) =>
      reject(new Error(event.reason ? `The call was refused: ${event.reason}.` : "The call was refused. Is the server running, and is the token in the address right (?token=…)?"));
  });
}

function conduct(socket, sound, microphone, context, close) {
  $("transcript").replaceChildren();
  $("swaps").replaceChildren();
  const latencies = [];
  const lines = new Map();
  let moves = 0;

  sound.port.onmessage = ({ data }) => {
    if (socket.readyState !== WebSocket.OPEN) return;
    if (data.mark) {
      socket.send(JSON.stringify({ type: "mark", name: data.mark }));
      return;
    }
    // What the network cannot take is too late when it can.
    if (socket.bufferedAmount < context.sampleRate * 2) socket.send(data.samples);
    $("mic").value = data.mic;
    $("bot").value = data.bot;
  };

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
      text.textContent = entry.tool ? `${entry.tool}: ${entry.state}` : entry.text;
      if (agent && entry.unheard) {
        const rest = document.createElement(entry.state === "cut" || entry.state === "unheard" ? "s" : "span");
        rest.textContent = ` ${entry.unheard}`;
        text.append(rest);
      }
    },
  };

  const span = (name) => {
    const s = document.createElement("span");
    s.className = name;
    return s;
  };

  socket.onmessage = ({ data }) => {
    if (data instanceof ArrayBuffer) {
      sound.port.postMessage({ samples: data }, [data]);
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "clear") sound.port.postMessage({ clear: true });
    if (message.type === "mark") sound.port.postMessage({ mark: message.name });
    if (message.type === "message") told[message.data?.type]?.(message.data);
  };

  let over = false;
  const end = (text) => {
    if (over) return;
    over = true;
    call = null;
    pressed(false);
    if (text) problem(text);
    close();
    socket.close(1000);
  };
  socket.onclose = (event) =>
    end(event.code === 1000 ? "" : event.reason ? `The call has ended: ${event.reason}.` : "The connection was lost.");
  microphone.getAudioTracks()[0].onended = () => end("The microphone was disconnected.");
  context.onstatechange = () => {
    // A telephone call, or a locked screen, took the sound away.
    if (!over && context.state === "suspended") context.resume();
  };

  return {
    hangUp: () => end(""),
    mute(on) {
      microphone.getTracks().forEach((track) => (track.enabled = !on));
    },
  };
}
