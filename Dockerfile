# Freqtrade's own image with FreqAI, and this package beside it.
FROM freqtradeorg/freqtrade:2026.9_freqai

ENV TZ=UTC

# The base image runs as ftuser (1000); so does everything here.
USER ftuser
COPY --chown=ftuser:ftuser pyproject.toml README.md /opt/freqtrade_ext/
COPY --chown=ftuser:ftuser freqtrade_ext /opt/freqtrade_ext/freqtrade_ext

# What the base image has installed is a constraint: the build fails rather than change a version
# that Freqtrade is pinned to.
RUN pip freeze --exclude-editable > /tmp/freqtrade-pins.txt \
  && pip install --user --no-cache-dir -c /tmp/freqtrade-pins.txt /opt/freqtrade_ext \
  && freqtrade-ext version

COPY --chown=ftuser:ftuser --chmod=755 docker/entrypoint.sh /opt/freqtrade_ext/entrypoint.sh

# curl is in the base image.
HEALTHCHECK --interval=60s --timeout=10s --retries=5 --start-period=2m \
  CMD curl --fail --silent --show-error --max-time 9 http://127.0.0.1:8080/api/v1/ping || exit 1

ENTRYPOINT ["/opt/freqtrade_ext/entrypoint.sh"]
CMD ["trade"]
