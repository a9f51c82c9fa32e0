#!/bin/sh
# A test's server is its own: no other test is connected, and its databases, users and settings are free to change.
set -eu
ask() { mariadb -u root -D shop -Ne "$1"; }

test "$(ask "SELECT count(*) FROM information_schema.processlist WHERE command <> 'Daemon'")" = 1
test "$(ask "SELECT @@max_connections")" = 50

ask "CREATE DATABASE second; CREATE USER clerk@localhost; GRANT ALL ON second.* TO clerk@localhost"
test "$(mariadb -u clerk -D second -Ne "SELECT current_user()")" = clerk@localhost

ask "SET GLOBAL max_connections = 60"
test "$(ask "SELECT @@max_connections")" = 60
