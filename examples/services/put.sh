#!/bin/bash
# Puts a setting into etcd: `put.sh KEY VALUE`.
set -eu
. ./http.sh
put "$SETTINGS_URL" "$1" "$2"
