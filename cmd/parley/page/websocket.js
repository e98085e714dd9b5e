// A call over a WebSocket: see the documentation of websocket.PCM. The sound is made
// and taken by sound.js, on the audio thread.

const rates = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000];

// connect begins a call, and returns what closes it.
export async function connect(microphone, page) {
  let context = new AudioContext({ latencyHint: "interactive" });
  try {
    if (!rates.includes(context.sampleRate)) {
      await context.close();
      context = new AudioContext({ latencyHint: "interactive", sampleRate: 48000 });
    }
    await context.audioWorklet.addModule("sound.js");
    const sound = new AudioWorkletNode(context, "sound", { outputChannelCount: [2] });
    sound.port.onmessage = () => {}; // nobody listens before the call has begun
    context.createMediaStreamSource(microphone).connect(sound).connect(context.destination);
    await context.resume();
    const socket = await open(context.sampleRate);
    return conduct(socket, sound, context, page);
  } catch (error) {
    await context.close();
    throw error;
  }
}

// open returns a socket on which the call has begun.
function open(rate) {
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

function conduct(socket, sound, context, page) {
  sound.port.onmessage = ({ data }) => {
    if (socket.readyState !== WebSocket.OPEN) return;
    if (data.mark) {
      socket.send(JSON.stringify({ type: "mark", name: data.mark }));
      return;
    }
    // What the network cannot take is too late when it can.
    if (socket.bufferedAmount < context.sampleRate * 2) socket.send(data.samples);
    page.levels(data.mic, data.bot);
  };
  socket.onmessage = ({ data }) => {
    if (data instanceof ArrayBuffer) {
      sound.port.postMessage({ samples: data }, [data]);
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "clear") sound.port.postMessage({ clear: true });
    if (message.type === "mark") sound.port.postMessage({ mark: message.name });
    if (message.type === "message") page.message(message.data);
  };
  socket.onclose = (event) =>
    page.end(event.code === 1000 ? "" : event.reason ? `The call has ended: ${event.reason}.` : "The connection was lost.");
  context.onstatechange = () => {
    // A telephone call, or a locked screen, took the sound away.
    if (!["running", "closed"].includes(context.state)) context.resume();
  };
  return {
    close() {
      context.onstatechange = null;
      context.close();
      socket.close(1000);
    },
  };
}
