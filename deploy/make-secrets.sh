#!/bin/sh
# Writes the secrets of compose.yaml, once: what is there is kept, since a new encryption key opens nothing of before.
set -eu
folder=${1:-.secrets}
mkdir -p "$folder"
# The folder is for its owner alone; the files are read by the users of the containers they are mounted into.
chmod 700 "$folder"
random() { node -e "process.stdout.write(require('node:crypto').randomBytes($1).toString('$2'))"; }
put() { [ -e "$folder/$1" ] || { printf %s "$2" >"$folder/$1"; chmod 444 "$folder/$1"; }; }

put postgres_password "$(random 24 hex)"
put database_url "postgres://gateway:$(cat "$folder/postgres_password")@postgres:5432/gateway"
put encryption_keys "k1:$(random 32 base64)"
put admin_tokens "operator:admin:$(random 32 base64url)"
put wechat_secret secret-of-the-simulated-app
echo "$folder has what compose.yaml needs; back up encryption_keys apart from the database."
