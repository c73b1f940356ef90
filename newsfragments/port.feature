`twistd cs` ends with an error where its port is taken.
