#!/bin/bash
# Start of the container: recover first, then trade.
#
# Any other command of Freqtrade is passed through as it is; freqtrade-ext and the shell can be
# called by their names:
#   docker compose -f docker-compose.production.yml run --rm freqtrade freqtrade-ext doctor
set -euo pipefail

case "${1:-trade}" in
    trade) ;;
    freqtrade-ext | bash | sh) exec "$@" ;;
    *) exec freqtrade "$@" ;;
esac
[ $# -gt 0 ] || set -- trade

# Recovery reads the same configuration files as the bot. It takes no other database and no other
# user_data than they name, so it would look at the wrong one; Freqtrade takes shortened options too.
for argument in "$@"; do
    case "$argument" in
        --db* | --u*)
            echo "${argument%%=*}: recovery would read another database than the bot; not trading." \
                "Set db_url or user_data_dir in the configuration instead." >&2
            exit 2
            ;;
    esac
done

configs=()
previous=""
for argument in "$@"; do
    case "$previous" in
        -c | --config) configs+=(-c "$argument") ;;
    esac
    case "$argument" in
        --config=*) configs+=(-c "${argument#--config=}") ;;
    esac
    previous="$argument"
done

# As the container's first process the shell would not get a SIGTERM without a trap.
recovery=""
stopped=""
stop() {
    stopped=yes
    [ -z "$recovery" ] || kill -TERM "$recovery" 2>/dev/null || true
}
trap stop TERM INT

freqtrade-ext recover ${configs[@]+"${configs[@]}"} &
recovery=$!
status=0
wait "$recovery" || status=$?
if [ -n "$stopped" ]; then
    wait "$recovery" || true # the first wait ended with the signal, not with the recovery
    exit 143
fi
if [ "$status" -ne 0 ]; then
    echo "recovery ended with $status: not trading; see user_data/logs/recovery_report.json" >&2
    exit "$status"
fi

trap - TERM INT
[ -z "$stopped" ] || exit 143
# In place of this shell, so that the signals of docker stop reach Freqtrade.
exec freqtrade "$@"
