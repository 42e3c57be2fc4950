# Two images from one file: `momentum-operator` (no privileges, pod network) and `momentum-node` (Corosync and the mail node).
#
#   docker build --target momentum-node -t momentum-node .
#
# Dependencies come from the hash-locked lists in requirements/ and have layers of their own; the source comes last, so a
# change of the source costs seconds. Bytecode is compiled here: pods run with a read-only root and must start fast.

FROM debian:trixie-slim AS python
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log /var/cache/debconf/*-old
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/opt/momentum/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# Builds virtual environments and never ships: the images get /opt/momentum only. The project itself is not installed but
# put on the path by a .pth file, so that its layer is the last one and small.
FROM python AS build
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
RUN python3 -m venv /opt/pip \
 && python3 -m venv --without-pip /opt/momentum/venv \
 && mkdir /opt/momentum/app \
 && echo /opt/momentum/app > "$(/opt/momentum/venv/bin/python -c 'import site; print(site.getsitepackages()[0])')/momentum.pth" \
 && for command in node operator; do \
      printf '#!/opt/momentum/venv/bin/python\nimport sys\n\nfrom momentum_%s.__main__ import main\n\nsys.exit(main())\n' "$command" \
        > "/opt/momentum/venv/bin/momentum-$command"; \
    done \
 && chmod 755 /opt/momentum/venv/bin/momentum-*

FROM build AS build-operator
COPY requirements/operator.txt /requirements/operator.txt
RUN /opt/pip/bin/pip --python /opt/momentum/venv/bin/python install --no-cache-dir --no-compile --require-hashes --only-binary :all: \
      -r /requirements/operator.txt \
 && rm /opt/momentum/venv/bin/momentum-node \
 && /opt/momentum/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/momentum/venv/lib

FROM build AS build-node
COPY requirements/node.txt /requirements/node.txt
RUN /opt/pip/bin/pip --python /opt/momentum/venv/bin/python install --no-cache-dir --no-compile --require-hashes --only-binary :all: \
      -r /requirements/node.txt \
 && rm /opt/momentum/venv/bin/momentum-operator \
 && /opt/momentum/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/momentum/venv/lib

FROM python AS momentum-operator
LABEL org.opencontainers.image.title="momentum-operator" \
      org.opencontainers.image.description="Kubernetes operator for MomentumCluster resources" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build-operator /opt/momentum /opt/momentum
COPY operator/momentum_operator /opt/momentum/app/momentum_operator
# The operator uses the node's configuration language and the shape of its report; it never runs a node.
COPY node/momentum_node /opt/momentum/app/momentum_node
RUN /opt/momentum/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/momentum/app
# kopf names itself after the user; the uid may be any and need not have a name.
ENV USER=momentum
USER 65532:65532
ENTRYPOINT ["momentum-operator"]
CMD ["run"]

FROM python AS momentum-node
LABEL org.opencontainers.image.title="momentum-node" \
      org.opencontainers.image.description="Mail transfer agent whose addresses move with it, and its Corosync bus" \
      org.opencontainers.image.licenses="Apache-2.0"
# libqb's abstract sockets do not work between containers, those in the file system do: the marker file says so.
# Corosync's lock file has a fixed name; with a read-only root it must lead to a folder that pods can write.
# iproute2 is for the person who looks into a node.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends corosync iproute2 libcfg7 libcmap4 libcpg4 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log /var/cache/debconf/*-old /etc/corosync/corosync.conf \
 && mkdir -p /etc/libqb && touch /etc/libqb/force-filesystem-sockets \
 && ln -s /tmp/corosync.pid /run/corosync.pid \
 && groupadd --gid 10025 ecuser \
 && useradd --uid 10025 --gid 10025 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ecuser \
 && useradd --uid 10026 --gid 10025 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ecservices \
 && mkdir -p /var/spool/ecelerity /var/log/ecelerity /run/momentum /etc/momentum/config /etc/momentum/tls
COPY --from=build-node /opt/momentum /opt/momentum
COPY node/momentum_node /opt/momentum/app/momentum_node
RUN /opt/momentum/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/momentum/app
# No ENTRYPOINT: pods name the command (`momentum-node bus`, `momentum-node run --role node` …) themselves.
CMD ["momentum-node", "run"]
