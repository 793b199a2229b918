# A lab server: the page and its worker for one project, without a GPU.
#   docker build -t askmask .
#   docker compose up      (see compose.yaml for the project's folder and the first token)
FROM python:3.11-slim-bookworm

RUN useradd --create-home --uid 1000 askmask
WORKDIR /opt/askmask
COPY pyproject.toml README.md LICENSE constraints-cpu.txt ./
COPY src ./src
# Without a GPU, give the index of PyTorch's CPU builds: a plain build pulls gigabytes of CUDA
# packages.   docker build --build-arg PIP_EXTRA_INDEX_URL=... -t askmask .
ARG PIP_EXTRA_INDEX_URL=""
RUN pip install --no-cache-dir ".[all]" -c constraints-cpu.txt

# By number, so that the host knows it without the image's list of users.
USER 1000:1000
VOLUME /project
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/api/v1/health', timeout=4)"]
# People come over the network, so everybody needs a token: askmask token /project --name NAME
ENTRYPOINT ["askmask"]
CMD ["serve", "/project", "--host", "0.0.0.0"]
