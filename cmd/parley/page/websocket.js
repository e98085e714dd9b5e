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
    const call = await open(context.sampleRate, {});
    return conduct(call, sound, context, page);
  } catch (error) {
    await context.close();
    throw error;
  }
}

// open returns a socket on which a call has begun, or on which the one that resume tells
// of goes on, and what the server has said to that.
function open(rate, resume) {
  const url = new URL("call", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.search = location.search; // the token
  if (resume.call) url.searchParams.set("resume", resume.call);
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  return new Promise((resolve, reject) => {
    // A new call begins when the agent is ready, which may take its time.
    const late = resume.call && setTimeout(() => socket.close(), attempt);
    const format = { rate, channels: 1 };
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", version: 1, input: format, output: format, marks: true, resume }));
    socket.onmessage = ({ data }) => {
      clearTimeout(late);
      resolve({ socket, hello: JSON.parse(data) });
    };
    socket.onclose = (event) => {
      clearTimeout(late);
      const error = new Error(event.reason ? `The call was refused: ${event.reason}.` : "The call was refused. Is the server running, and is the token in the address right (?token=…)?");
      error.untold = !event.reason;
      error.final = event.code >= 4000; // there is no such call any more
      reject(error);
    };
  });
}

const attempt = 5000; // ms, for a call to go on
const stuck = 3000; // ms, for which the network may take nothing

function conduct({ socket, hello }, sound, context, page) {
  let over = false;
  let got = 0; // messages of the server's, greetings not counted
  let sent = 0; // likewise, to it
  let texts = []; // the last of those that were sent, by number
  let full = 0; // since when the network takes nothing

  const send = (data) => {
    socket.send(data);
    sent++;
    if (typeof data === "string") texts = [...texts.slice(-99), { number: sent, data }];
  };

  sound.port.onmessage = ({ data }) => {
    if (!data.mark) page.levels(data.mic, data.bot);
    if (data.mark) {
      const mark = JSON.stringify({ type: "mark", name: data.mark });
      if (socket.readyState === WebSocket.OPEN) send(mark);
      else texts.push({ number: Infinity, data: mark }); // it has been heard, whenever that is told
      return;
    }
    if (socket.readyState !== WebSocket.OPEN) return;
    // What the network cannot take is too late when it can.
    if (socket.bufferedAmount < context.sampleRate * 2) {
      full = 0;
      send(data.samples);
    } else if (!full) {
      full = performance.now();
    } else if (performance.now() - full > stuck) {
      // As from one network to another, of which the browser says nothing.
      socket.onclose = socket.onmessage = null;
      socket.close();
      comeBack();
    }
  };

  const listen = () => {
    full = 0;
    socket.onmessage = ({ data }) => {
      got++;
      if (data instanceof ArrayBuffer) {
        sound.port.postMessage({ samples: data }, [data]);
        return;
      }
      const message = JSON.parse(data);
      if (message.type === "clear") sound.port.postMessage({ clear: true });
      if (message.type === "mark") sound.port.postMessage({ mark: message.name });
      if (message.type === "message") page.message(message.data);
    };
    socket.onclose = (event) => {
      if (event.code === 1006 && hello.resume) comeBack();
      else page.end(event.code === 1000 ? "" : event.reason ? `The call has ended: ${event.reason}.` : "The connection was lost.");
    };
  };
  listen();

  // comeBack goes on with the call over another connection, as long as the server waits.
  async function comeBack() {
    page.waiting(true);
    const until = performance.now() + hello.resume.grace_ms;
    for (let pause = 200; !over && performance.now() < until; pause = Math.min(2 * pause, 3000)) {
      try {
        const again = await open(context.sampleRate, { call: hello.call, token: hello.resume.token, received: got });
        socket = again.socket;
        if (over) {
          socket.close(1000);
          return;
        }
        // What the server has not got is said again, but for the caller's audio, which
        // would be late.
        sent = again.hello.resume.received;
        const missing = texts.filter(({ number }) => number > sent);
        texts = [];
        listen();
        missing.forEach(({ data }) => send(data));
        page.waiting(false);
        return;
      } catch (error) {
        if (error.final) break;
        await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random() / 2)));
      }
    }
    page.end("The connection was lost.");
  }

  context.onstatechange = () => {
    // A telephone call, or a locked screen, took the sound away.
    if (!["running", "closed"].includes(context.state)) context.resume();
  };
  return {
    close() {
      over = true;
      context.onstatechange = null;
      context.close();
      socket.close(1000);
    },
  };
}
