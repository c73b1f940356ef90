TLS on the port: the chain is sent, renewed files are taken over and TLS is switched on or off by HUP, and with `[tls] client_ca` stations, and only they, have to show a certificate.
