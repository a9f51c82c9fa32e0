#!/bin/bash
set -eu
. ./http.sh
[ "$(value "$WEB_URL" currency)" = EUR ]
