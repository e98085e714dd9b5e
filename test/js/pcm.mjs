// Is a server of websocket.PCM that has nothing of ours in it: the ws package, and
// the protocol as it is documented. It listens for one call, and plays its agent:
//
//	node pcm.mjs answer.pcm question.pcm SAMPLES
//
// When it has heard so many samples that are not silent it says the answer, with a
// mark every 200 ms and one behind it, ahead of time and unevenly; when the last mark
// has come back it asks for more with a message, gets a key, and hangs up. What it
// has heard is written to the question. It prints the port first, and then what
// happens, as lines of JSON.

import { readFileSync, writeFileSync } from "node:fs";
import { WebSocketServer } from "ws";

const [answerFile, questionFile, expected] = process.argv.slice(2);
const print = (line) => console.log(JSON.stringify(line));
const server = new WebSocketServer({
  port: 0,
  host: "127.0.0.1",
  maxPayload: 1 << 16,
  verifyClient: ({ req }, done) => (req.headers.authorization === "Bearer sesame" ? done(true) : done(false, 401, "who are you?")),
});
server.on("listening", () => print({ port: server.address().port }));
setTimeout(() => {
  print({ failure: "nothing came for too long" });
  process.exit(1);
}, 20_000).unref();

server.on("connection", (socket) => {
  const heard = [];
  let sounding = 0;
  let spoken = false;
  const began = Date.now();
  socket.on("message", (data, binary) => {
    if (binary) {
      const samples = new Int16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
      heard.push(Buffer.from(samples.buffer));
      sounding += samples.reduce((n, s) => n + (s !== 0), 0);
      if (!spoken && sounding >= Number(expected)) {
        spoken = true;
        speak();
      }
      return;
    }
    const message = JSON.parse(data);
    switch (message.type) {
      case "hello":
        print({ hello: message });
        socket.send(JSON.stringify({ type: "hello", version: 1, input: message.input, output: message.output }));
        socket.send(JSON.stringify({ type: "a type to come" }));
        break;
      case "mark":
        print({ mark: message.name, at: Date.now() - began });
        if (message.name === "last") socket.send(JSON.stringify({ type: "message", data: { more: true } }));
        break;
      case "dtmf":
        print({ key: message.digit });
        socket.close(1000, "goodbye");
        break;
    }
  });
  socket.on("close", (code) => {
    writeFileSync(questionFile, Buffer.concat(heard));
    print({ closed: code });
    server.close();
  });

  function speak() {
    const answer = readFileSync(answerFile);
    print({ speaks: Date.now() - began });
    for (let at = 0, n = 0; at < answer.length; n++) {
      const size = [2, 960, 4800, 1002, 9600][n % 5]; // bytes
      socket.send(answer.subarray(at, (at += size)));
      if (n % 5 === 4) socket.send(JSON.stringify({ type: "mark", name: `${n}` }));
    }
    socket.send(JSON.stringify({ type: "mark", name: "last" }));
  }
});
