set -e
mkdir -p /tmp/conf /tmp/place
printf '%s' "$PLACE" >/tmp/place/azure.conf
cp /etc/nginx/listen.conf /tmp/conf/
sed 's#/etc/nginx/place/#/tmp/place/#' /etc/nginx/nginx.conf >/tmp/conf/nginx.conf
exec nginx -c /tmp/conf/nginx.conf -g 'daemon off;'
