#!/bin/sh
# Make sure that there is a Chromium for the browser tests, and print where it is:
# the one that is named or in PATH, else Debian's (as root), else Playwright's own.
#
#   ensure_chromium.sh [PYTHON]     PYTHON has Playwright; python3 by default
set -u
python="${1:-python3}"

find_it() {
  for one in ${CHROMIUM:+"$CHROMIUM"} chromium chromium-browser google-chrome; do
    if path="$(command -v "$one")"; then echo "$path"; return 0; fi
  done
  own="$("$python" -c 'from playwright.sync_api import sync_playwright as start
with start() as playwright: print(playwright.chromium.executable_path)' 2>/dev/null)"
  if [ -n "$own" ] && [ -x "$own" ]; then echo "$own"; return 0; fi
  return 1
}

if [ -n "${CHROMIUM:-}" ] && ! command -v "$CHROMIUM" >/dev/null; then
  echo "CHROMIUM names no program: $CHROMIUM" >&2
  exit 1
fi
find_it && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing Debian's Chromium for the browser tests, once" >&2
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } >&2 \
    && find_it && exit 0
fi
echo "fetching Playwright's Chromium for the browser tests, once" >&2
"$python" -m playwright install chromium >&2 && find_it && exit 0
echo "The browser tests need Chromium, and it could not be installed: install it, or name one with CHROMIUM=/path/to/it." >&2
exit 1
