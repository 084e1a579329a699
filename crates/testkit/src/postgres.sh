# Runs one PostgreSQL server in a directory of its own, and takes both away when its standard input closes: whatever
# becomes of the test process, even SIGKILL, nothing of the server outlives it.
#
#   sh postgres.sh BIN PORT      commands on standard input, one answer a line

set -u
bin=$1 port=$2
# A database is 8 MB: in memory, where there is room for a hundred, it is made thirty times as fast.
free_kib=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
if [ "${free_kib:-0}" -ge 2097152 ]; then folder=/dev/shm; else folder=${TMPDIR:-/tmp}; fi
data=$(mktemp -d "$folder/partgate-postgres.XXXXXX")

answer() { if "$@" >>"$data/log" 2>&1; then echo ok; else echo "failed: $(tail -n 3 "$data/log" | tr '\n' ' ')"; fi; }
start() { "$bin/pg_ctl" start --wait --timeout 60 --pgdata "$data/db" --log "$data/log" --options "-p $port"; }
stop() { "$bin/pg_ctl" stop --mode immediate --pgdata "$data/db"; }
# A test's database may be lost with the machine, so nothing is flushed to disk. All of its shared memory is in the
# directory, and goes with it.
create() {
    "$bin/initdb" --pgdata "$data/db" --username postgres --auth trust --encoding UTF8 --no-sync &&
        cat >>"$data/db/postgresql.conf" <<-CONF
		listen_addresses = '127.0.0.1'
		unix_socket_directories = ''
		max_connections = 300
		fsync = off
		full_page_writes = off
		wal_level = minimal
		max_wal_senders = 0
		shared_buffers = 64MB
		dynamic_shared_memory_type = mmap
		autovacuum = off
		CONF
}
# The server's processes, each of which is a group of its own.
signal() {
    server=$(head -n 1 "$data/db/postmaster.pid") && kill -s "$1" "$server" $(pgrep -P "$server")
}

answer create
while read -r command; do
    case $command in
    start) answer start ;;
    stop) answer stop ;;
    pause) answer signal STOP ;;
    resume) answer signal CONT ;;
    esac
done
signal CONT
stop
rm -rf "$data"
