#!/bin/bash
# The page is a copy of this test's own, too.
set -eu
. ./http.sh
echo 'Closed.' > html/index.html
[ "$(get "$WEB_URL/index.html")" = 'Closed.' ]
