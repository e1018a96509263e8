"""Opens /docs in Chromium: the page must show the API, load nothing from elsewhere and have no error."""

import re
import shutil
import subprocess

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--v=0",
         "--virtual-time-budget=20000", "--dump-dom")


def faults(server, folder):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        print("Swagger UI: not opened, for there is no Chromium")
        return
    done = subprocess.run([browser, *FLAGS, f"--user-data-dir={folder / 'chromium'}", f"{server.url}/docs"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    shown = set(re.findall(r'id="operations-(?!tag-)\w+-(\w+)"', done.stdout))
    if not {"evaluateLogin", "getOpenapi"} <= shown:
        yield f"/docs shows {sorted(shown)}: {done.stdout[:2000]}{done.stderr}"
    yield from (f"/docs: {line}" for line in done.stderr.splitlines() if ":CONSOLE" in line)
    loaded = re.findall(r'<(?:script|link|img|iframe)\b[^>]*(?:src|href)="((?:https?:)?//[^"]+)"', done.stdout)
    yield from (f"/docs loads {one}" for one in loaded if not one.startswith(server.url))
    print(f"Swagger UI: {len(shown)} operations shown")
