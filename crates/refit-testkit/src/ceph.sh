# A Ceph cluster of one, for tests: a monitor, an object store daemon in memory, and RADOS gateways with STS.
# Called as `sh -c THIS ceph DIRECTORY PORT`; reads commands from standard input, says `ok` after each, and ends with it:
# whatever ends the caller closes that pipe, and then nothing is left, neither process nor file.
#   start NAME PORT   starts a gateway        kill NAME   ends it as a power cut would
set -eu
D=$1 PORT=$2
mkdir -p "$D/mon" "$D/osd"
# Everything that is started is a child of this shell.
# A signal to the whole group (Ctrl-C, timeout) ends the caller, and that ends this, in order.
trap '' HUP INT TERM
ready=
trap '[ -n "$ready" ] || cat "$D/making.log" "$D"/*.out >&2; for p in "$D"/*.pid; do kill -9 "$(cat "$p")" 2>/dev/null || :; done; wait; rm -rf "$D"' EXIT
fsid=$(cat /proc/sys/kernel/random/uuid) osd=$(cat /proc/sys/kernel/random/uuid)
cat > "$D/ceph.conf" <<C
[global]
fsid = $fsid
mon initial members = a
mon host = [v2:127.0.0.1:$PORT/0]
public addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = $D/keyring
run dir = $D
admin socket =
pid file =
log file = $D/\$name.log
mon data = $D/mon
osd data = $D/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
# A disk that is nearly full is no reason not to test.
mon data avail warn = 0
mon data avail crit = 0
[client.rgw]
rgw s3 auth use sts = true
rgw sts key = abcdefghijklmnop
rgw run sync thread = false
rgw enable ops log = false
C
export CEPH_CONF="$D/ceph.conf"
key() { ceph-authtool "$D/keyring" --gen-key -n "$@"; }
{
    ceph-authtool --create-keyring "$D/keyring" --gen-key -n mon. --cap mon 'allow *'
    key client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    key client.rgw --cap mon 'allow rw' --cap osd 'allow rwx'
    key osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
    # The monitor is at this port alone: the default ones may be somebody's.
    monmaptool --create --addv a "[v2:127.0.0.1:$PORT]" --fsid "$fsid" "$D/monmap"
    ceph-mon --mkfs -i a --monmap "$D/monmap" --keyring "$D/keyring"
} >> "$D/making.log" 2>&1
ceph-mon -f -i a --public-addr "127.0.0.1:$PORT" < /dev/null > "$D/mon.out" 2>&1 & echo $! > "$D/mon.pid"
{
    timeout 60 ceph osd new "$osd"
    # The daemon is made with the identity that the monitor was told.
    ceph-osd -i 0 --mkfs --osd-uuid "$osd"
} >> "$D/making.log" 2>&1 < /dev/null
ceph-osd -f -i 0 < /dev/null > "$D/osd.out" 2>&1 & echo $! > "$D/osd.pid"
trust='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/refit"]},"Action":["sts:AssumeRole"]}]}'
read_all='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":"arn:aws:s3:::*"}]}'
{
    timeout 60 radosgw-admin user create --uid refit --display-name Refit --access-key refit --secret refit-secret
    radosgw-admin user create --uid stranger --display-name Stranger --access-key stranger --secret stranger-secret
    radosgw-admin role create --role-name download --assume-role-policy-doc "$trust"
    radosgw-admin role-policy put --role-name download --policy-name read --policy-doc "$read_all"
} >> "$D/making.log" 2>&1 < /dev/null
ready=yes
echo ok
while read -r what name port; do
    case $what in
    start)
        radosgw -n client.rgw -f --rgw-frontends "beast endpoint=127.0.0.1:$port" \
            < /dev/null > "$D/$name.out" 2>&1 & echo $! > "$D/$name.pid" ;;
    kill)
        if [ -e "$D/$name.pid" ]; then
            pid=$(cat "$D/$name.pid"); kill -9 "$pid"; wait "$pid" 2> /dev/null || :; rm "$D/$name.pid"
        fi ;;
    esac
    echo ok
done
