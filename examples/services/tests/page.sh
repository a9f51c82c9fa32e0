#!/bin/bash
set -eu
. ./http.sh
grep 'The shop is open' <<<"$(get "$WEB_URL/index.html")"
