// Tries what goes wrong on the page that `parley serve` has, in Chromium, and prints what
// the page shows as one line of JSON.
//
//	node pagefails.mjs chromium http://127.0.0.1:8080/ http://127.0.0.1:8081/
//
// The first server takes one call at a time, the second wants a token.

import { setTimeout as sleep } from "node:timers/promises";
import puppeteer from "puppeteer-core";

const [chromium, one, secret] = process.argv.slice(2);
const browser = await puppeteer.launch({
  executablePath: chromium,
  headless: true,
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"],
});

// problem presses the button of a page, by the keyboard, and returns what it complains of.
async function problem(page) {
  await page.focus("#talk");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => !document.getElementById("problem").hidden, { polling: 50, timeout: 40000 });
  return page.evaluate(() => document.getElementById("problem").textContent);
}

const shown = {};
const first = await browser.newPage();
await first.goto(one);
await first.select("#transport", "webrtc"); // a call that is made again over another counts for a while
await first.focus("#talk");
for (const until = Date.now() + 60000; ; await sleep(2000)) {
  await first.keyboard.press("Enter");
  await first.waitForFunction(
    () => document.getElementById("talk").textContent === "Hang up" || !document.getElementById("problem").hidden,
    { polling: 50, timeout: 40000 },
  );
  const wrong = await first.evaluate(() => document.getElementById("problem").hidden || document.getElementById("problem").textContent);
  if (wrong === true) break;
  // A machine with too much to do may not connect in time.
  if (Date.now() > until) throw new Error(`the first call does not begin: ${wrong}`);
}
shown.focus = await first.evaluate(() => document.activeElement.id);
const second = await browser.newPage();
await second.goto(one);
shown.second = await problem(second);
await second.close();
await first.bringToFront();
await first.keyboard.press("Enter"); // hangs up
await sleep(100);
shown.button = await first.evaluate(() => document.getElementById("talk").textContent);
const stranger = await browser.newPage();
await stranger.goto(secret);
shown.stranger = await problem(stranger);
// The server is gone: nothing of it answers any more.
await stranger.setOfflineMode(true);
await stranger.evaluate(() => (document.getElementById("problem").hidden = true));
await stranger.select("#transport", "webrtc");
shown.gone = await problem(stranger);
await browser.close();
console.log(JSON.stringify(shown));
