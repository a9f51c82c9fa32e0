#!/bin/bash
set -eu
. ./http.sh
[ "$(value "$SETTINGS_URL" currency)" = EUR ]
put "$SETTINGS_URL" currency SEK
[ "$(value "$SETTINGS_URL" currency)" = SEK ]
