# The pinned environment and the last commit, sealed: deploy/container/README.md.
#
#   docker build --tag verdict .
#   docker build --tag verdict-mlflow --target mlflow .
#
# Give the base by its digest to get the same one again; the README has the command that looks it up.
ARG BASE_IMAGE=python:3.11-slim-bookworm


FROM ${BASE_IMAGE} AS base
# The base's digest says which Debian this is; its versions are not pinned one by one.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git tini \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/ldconfig \
    && python3 -m venv /opt/venv
# The root may be read-only and the user anybody, without a name or a home: what is written goes to
# /tmp, and to the project's folder. Git would refuse a project that belongs to somebody else.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    USER=verdict \
    DVC_SITE_CACHE_DIR=/tmp/dvc
RUN git config --system --add safe.directory '*'


FROM base AS source
COPY .git /context/.git
# Nothing of the history but the last commit.
RUN mkdir -p /context/.git/refs \
    && git clone --quiet --depth 1 file:///context /opt/verdict/project \
    && git -C /opt/verdict/project remote remove origin


# The MLflow server of compose.yaml.
FROM base AS mlflow
COPY --from=source /opt/verdict/project/requirements-server.txt /opt/verdict/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip install --no-cache-dir --disable-pip-version-check -r /opt/verdict/requirements-server.txt
LABEL org.opencontainers.image.title="verdict-mlflow" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /tmp
USER 10001:10001
ENTRYPOINT ["/usr/bin/tini", "--", "mlflow"]
CMD ["server"]


FROM base AS environment
COPY --from=source /opt/verdict/project/requirements*.txt /opt/verdict/
# torch's own wheel brings CUDA 13, for driver 580 or newer; with deploy/container/cuda12.conf as the
# secret `pip` it is 12.6. The driver comes with the machine; GKE and Batch mount it where no image
# looks.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    LD_LIBRARY_PATH=/usr/local/nvidia/lib64
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip install --no-cache-dir --disable-pip-version-check -r /opt/verdict/requirements.txt
# Any of: tools ray gpu. Their pins are complete, and tools would ask for another pillow.
ARG EXTRAS=""
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    for extra in ${EXTRAS}; do \
      pip install --no-cache-dir --disable-pip-version-check --no-deps \
        -r "/opt/verdict/requirements-${extra}.txt" || exit 1; \
    done
COPY --from=source /opt/verdict/project /opt/verdict/project
# A run without a mounted project works here.
RUN mkdir --mode=1777 /project
WORKDIR /project
USER 10001:10001
ENTRYPOINT ["/usr/bin/tini", "--", "/opt/venv/bin/python", "/opt/verdict/project/deploy/container/entry.py"]
CMD ["dvc", "repro"]


# What the tests need besides.
FROM environment AS test
USER root
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip install --no-cache-dir --disable-pip-version-check --no-deps \
      -r /opt/verdict/requirements-tools.txt \
    && pip install --no-cache-dir --disable-pip-version-check -r /opt/verdict/requirements-dev.txt
USER 10001:10001
CMD ["python", "-m", "pytest"]


FROM environment AS verdict
ARG BASE_IMAGE
ARG REVISION=""
LABEL org.opencontainers.image.title="verdict" \
      org.opencontainers.image.description="Reproducible fine-tuning of medical models, from a raw archive to a verdict" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      org.opencontainers.image.revision="${REVISION}"
