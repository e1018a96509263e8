// Plays the story of the console in Chromium: `node play.mjs CONSOLE PICTURES`. It ends with 1 at the
// first thing that is not so.

import assert from "node:assert/strict";

import { Phone, open, start } from "./stage.mjs";

const [program, pictures] = process.argv.slice(2);
const console_ = await start(program);
const browser = await open(console_.url, pictures);

async function play() {
  const ada = await browser.window("Ada");
  const adasPhone = await enrolls(ada);
  await wantsItOff(ada);

  // Who set the console up used these phones up to one step ahead of the present one.
  const phones = {
    ines: new Phone(console_.authenticator("Ines"), Phone.now() + 1),
    otto: new Phone(console_.authenticator("Otto"), Phone.now() + 1),
  };
  const ines = await signedIn("Ines", phones.ines, "dark");
  const otto = await signedIn("Otto", phones.otto);
  await isExempted(ada, ines, otto, phones);
  await isAskedAgain(ada, ines, adasPhone);
  await losesThePhone(ada, ines, otto, phones);
  await seesNothingOfTheOthers();
  await isClosedWithoutPawl(ada);
  assert.deepEqual(browser.blocked, [], "the content security policy had to step in");
}

/** Nobody gets to the page before the code; with it the user does. */
async function enrolls(ada) {
  await ada.at("/detections");
  await ada.sees("Sign in", "sign-in");
  await ada.passwordOf("ada", "north", "not it");
  await ada.reads("do not go together");
  const before = await ada.page.context().cookies();
  await ada.passwordOf("ada", "north", console_.password("ada"));
  await ada.sees("Set up your authenticator", "enroll");
  const after = await ada.page.context().cookies();
  assert.ok(after[0].httpOnly && after[0].sameSite === "Strict");
  assert.notEqual(before[0].value, after[0].value, "the session kept its name over the login");
  await ada.at("/detections");
  await ada.sees("Sign in", "still-outside");
  await ada.at("/step");
  await ada.press("Show me the picture");
  const phone = Phone.scan(await ada.sees("Scan this", "qr"));
  await ada.fill("Code from your authenticator", "000000");
  await ada.press("Go on");
  await ada.reads("was not accepted");
  await ada.code(phone);
  await ada.sees("Keep these recovery codes", "recovery-codes");
  assert.equal(await ada.page.locator(".codes li").count(), 10);
  await ada.page.getByRole("link", { name: "I have them" }).click();
  await ada.sees("Detections", "detections");
  await ada.reads("Backups deleted by a new account");
  return phone;
}

/** The button of the article. */
async function wantsItOff(ada) {
  await ada.at("/account");
  assert.ok(await ada.page.getByRole("button", { name: "Disable MFA" }).isDisabled());
  await ada.reads("MFA cannot be switched off");
  await ada.reads("An administrator can make a dated exception");
  await ada.sees("Your account", "account");
  const forged = await ada.page.request.post("/account/disable", { form: { reason: "not from a page" } });
  assert.equal(forged.status(), 403, "a form without its token was taken");
  await ada.at("/account");
  await ada.fill("Your reason", "My phone is at home today");
  await ada.press("Ask an administrator");
  await ada.reads("Your request is with the administrators");
  assert.equal(await ada.at("/admin"), 403);
}

async function signedIn(name, phone, scheme) {
  const visitor = await browser.window(name, scheme);
  const lower = name.toLowerCase();
  await visitor.passwordOf(lower, "north", console_.password(lower));
  await visitor.sees("Your code", `code-${lower}`);
  await visitor.code(phone);
  await visitor.sees("Detections", `detections-${lower}`);
  return visitor;
}

/** One administrator asks, and cannot approve it; the second one can. */
async function isExempted(ada, ines, otto, phones) {
  await ines.at("/admin");
  await ines.reads("My phone is at home today");
  await ines.sees("Requests", "petition");
  await ines.fill("Your reason", "Seen in person, badge checked");
  await ines.press("Take up");
  await ines.sees("A code for one act", "act");
  await ines.code(phones.ines, "Do it");
  await ines.reads("It waits for a second administrator");
  await ines.at("/admin");
  await ines.press("Approve");
  await ines.sees("That was not done", "not-alone");
  await ines.reads("must be different people");
  await otto.at("/admin");
  await otto.sees("Requests", "waiting");
  await otto.press("Approve");
  await otto.code(phones.otto, "Do it");
  await otto.reads("In force: sign in without a code");

  await ada.press("Sign out").catch(() => {});
  await ada.passwordOf("ada", "north", console_.password("ada"));
  await ada.sees("Your account", "exempt");
  await ada.reads("an administrator exempted you until");
  assert.equal(await ada.at("/detections"), 403);
  await ada.sees("This page needs a code", "needs-a-code");
}

async function isAskedAgain(ada, ines, phone) {
  await ines.at("/admin");
  await ines.press("Revoke");
  await ines.reads("the code is asked for again");
  await ada.at("/account");
  await ada.sees("Sign in", "exempt-no-more");
  await ada.passwordOf("ada", "north", console_.password("ada"));
  await ada.sees("Your code", "code");
  await ada.code(phone);
  await ada.sees("Detections", "again");
}

/** The lost phone: a reset by two people, a ticket for the one who asked, and a picture for nobody else. */
async function losesThePhone(ada, ines, otto, phones) {
  await ada.passwordOf("ada", "north", console_.password("ada"));
  await ada.page.getByText("My authenticator is lost").click();
  await ada.fill("What happened", "I left it on the train to work");
  await ada.press("Report the loss");
  await ada.sees("Reported", "lost");
  await ines.at("/admin");
  await ines.fill("Your reason", "Identity checked by video call");
  await ines.press("Take up");
  await ines.code(phones.ines, "Do it");
  await ines.reads("It waits for a second administrator");
  await otto.at("/admin");
  await otto.press("Approve");
  await otto.code(phones.otto, "Do it");
  await otto.reads("It is done when the administrator who asked collects the ticket");
  assert.equal(await otto.page.locator("code.ticket").count(), 0);
  await otto.at("/admin");
  assert.equal(await otto.page.getByRole("button", { name: "Collect the ticket" }).count(), 0);
  await ines.at("/admin");
  await ines.sees("Requests", "approved");
  await ines.press("Collect the ticket");
  await ines.sees("Done", "ticket");
  const ticket = await ines.page.locator("code.ticket").textContent();
  await ines.at("/admin/people");
  await ines.doesNotRead(ticket);
  await ines.sees("People", "people");

  await ada.passwordOf("ada", "north", console_.password("ada"));
  await ada.sees("You need a ticket", "needs-a-ticket");
  await ada.fill("Ticket", "mtk_of_somebody_else");
  await ada.press("Go on");
  assert.notEqual(await ada.page.locator("h1").textContent(), "Scan this");
  await ada.at("/step");
  await ada.fill("Ticket", ticket);
  await ada.press("Go on");
  const phone = Phone.scan(await ada.sees("Scan this", "new-qr"));
  await ada.code(phone);
  await ada.page.getByRole("link", { name: "I have them" }).click();
  await ada.sees("Detections", "after-the-loss");
}

/** The other organization's administrator. */
async function seesNothingOfTheOthers() {
  const mara = await browser.window("Mara");
  await mara.passwordOf("mara", "south", console_.password("mara"));
  await mara.sees("Your first code", "first-code");
  await mara.code(new Phone(console_.authenticator("Mara")));
  await mara.page.getByRole("link", { name: "I have them" }).click();
  await mara.at("/admin");
  await mara.sees("Requests", "other-requests");
  await mara.reads("Nobody asks for anything");
  await mara.at("/admin/people");
  for (const name of ["Ada", "Ines", "Otto"]) await mara.doesNotRead(name);
  await mara.sees("People", "other-people");
}

/** Not knowing is no reason to skip the code. */
async function isClosedWithoutPawl(ada) {
  const ben = await browser.window("Ben");
  process.kill(console_.pawl, "SIGKILL");
  await ben.passwordOf("ben", "north", console_.password("ben"));
  await ben.sees("Closed for the moment", "closed");
  await ben.at("/detections");
  await ben.sees("Sign in", "closed-outside");
  assert.equal(await ada.at("/account"), 503);
  await ada.sees("Closed for the moment", "closed-account");
}

try {
  await play();
  console.log("the story of the console ends well");
} finally {
  await browser.close();
  console_.stop();
}
