# Requests with nothing but bash: `get URL`, `post URL BODY` print the body of the answer.
request() {
    local method=$1 url=${2#http://} body=${3:-} line
    exec 3<>"/dev/tcp/${url%%:*}/$(sed 's,^[^:]*:\([0-9]*\).*,\1,' <<<"$url")"
    printf '%s /%s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s' "$method" "${url#*/}" ${#body} "$body" >&3
    while read -r line <&3 && [ "$line" != $'\r' ]; do :; done
    cat <&3
}

get() { request GET "$1"; }
post() { request POST "$1" "$2"; }

# etcd's gateway speaks base64.
put() { post "$1/v3/kv/put" "{\"key\":\"$(base64 <<<"$2")\",\"value\":\"$(base64 <<<"$3")\"}"; }
value() { post "$1/v3/kv/range" "{\"key\":\"$(base64 <<<"$2")\"}" | sed -n 's/.*"value":"\([^"]*\)".*/\1/p' | base64 -d; }
