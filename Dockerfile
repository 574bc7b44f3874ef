# The app, with PyTorch's build for the CPU: its build for Linux by default brings CUDA along, some gigabytes.
FROM python:3.11-slim

RUN useradd --create-home reader
COPY . /source
RUN pip install --no-cache-dir uv \
    && uv pip install --system --no-cache --torch-backend cpu '/source[cluster]' \
    && rm -rf /source

USER reader
WORKDIR /home/reader
EXPOSE 8501
HEALTHCHECK --start-period=60s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8501/_stcore/health', timeout=3)"]
CMD ["dr-transformer", "app", "--headless", "--address", "0.0.0.0"]
