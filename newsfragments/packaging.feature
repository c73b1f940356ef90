A wheel, `pip install -e .` and a checkout all offer `twistd cs`, with its web pages: `[server] root` is empty by default, which means those that come with it.
