// The console, its browser and the phones of whoever plays.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Starts the example, and reads what it prints as its reader does. */
export async function start(program) {
  const child = spawn(program, ["--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (text) => (said += text));
  for (let i = 0; i < 600 && !said.includes("Open http"); i++) {
    assert.equal(child.exitCode, null, "the console ended");
    await pause(50);
  }
  const find = (pattern) => {
    const found = said.match(pattern);
    assert.ok(found, `the console said nothing like ${pattern}`);
    return found[1];
  };
  return {
    url: find(/Open (http:\S+?)\/?\n/),
    pawl: Number(find(/Pawl is process (\d+)/)),
    password: (name) => find(new RegExp(`${name}@\\S+ +(\\S+)`)),
    authenticator: (name) => find(new RegExp(`${name} +(otpauth:\\S+)`)),
    stop: () => child.kill("SIGTERM"),
  };
}

/** An authenticator. A code works once, so it waits for one that it did not show before. */
export class Phone {
  constructor(line, shown = 0) {
    this.secret = new URL(line).searchParams.get("secret");
    this.shown = shown;
  }

  /** What a camera sees on a screenshot. */
  static scan(picture) {
    return new Phone(execFileSync("zbarimg", ["-q", "--nodbus", "--raw", picture], { encoding: "utf8" }).trim());
  }

  static now() {
    return Math.floor(Date.now() / 30_000);
  }

  /** Pawl takes the next step's code too: a phone's clock may be ahead. */
  async code() {
    const step = Math.max(this.shown + 1, Phone.now());
    while (step > Phone.now() + 1) await pause(200);
    this.shown = step;
    const at = new Date(step * 30_000).toISOString().slice(0, 19).replace("T", " ");
    return execFileSync("oathtool", ["--totp", "-b", "-N", `${at} UTC`, this.secret], { encoding: "utf8" }).trim();
  }
}

/** Chromium, with a window for each person. */
export async function open(url, pictures) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
  });
  const blocked = [];
  const window = async (name, scheme = "light") => {
    const context = await browser.newContext({ baseURL: url, colorScheme: scheme, viewport: { width: 1100, height: 800 } });
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    page.on("console", (message) => {
      if (/Content Security Policy/i.test(message.text())) blocked.push(message.text());
    });
    return new Visitor(name, page, pictures);
  };
  return { window, blocked, close: () => browser.close() };
}

/** One person at one window. */
export class Visitor {
  constructor(name, page, pictures) {
    Object.assign(this, { name, page, pictures });
  }

  async at(path) {
    return (await this.page.goto(path)).status();
  }

  async press(button) {
    await this.page.getByRole("button", { name: button, exact: true }).click();
  }

  async fill(label, text) {
    await this.page.getByLabel(label).fill(text);
  }

  async passwordOf(name, organization, password) {
    await this.at("/sign-in");
    await this.fill("Sign-in name", `${name}@${organization}.example`);
    await this.fill("Password", password);
    await this.press("Sign in");
  }

  async code(phone, button = "Go on") {
    await this.fill("Code from your authenticator", await phone.code());
    await this.press(button);
  }

  /** The page has this heading, is accessible, and has its picture taken. */
  async sees(heading, picture) {
    const shown = await this.page.locator("main").innerText();
    assert.equal(await this.page.locator("h1").textContent(), heading, `${this.name} sees\n${shown}`);
    await this.page.evaluate(AXE);
    const faults = (await this.page.evaluate(() => globalThis.axe.run())).violations;
    assert.deepEqual(faults.map((fault) => `${fault.id}: ${fault.nodes[0].html}`), [], `${heading} is not accessible`);
    const path = `${this.pictures}/${picture}.png`;
    await this.page.screenshot({ path });
    console.log(`${this.name}: ${heading}`);
    return path;
  }

  async reads(text) {
    const shown = await this.page.locator("body").innerText();
    assert.ok(shown.includes(text), `${this.name} does not read ${JSON.stringify(text)} in\n${shown}`);
  }

  async doesNotRead(text) {
    const shown = await this.page.locator("body").innerText();
    assert.ok(!shown.includes(text), `${this.name} reads ${JSON.stringify(text)} in\n${shown}`);
  }
}
