StartTransaction and StopTransaction cost the embedded backend fewer statements, and messages are logged and counted in batches: a sixth less CPU per message.
