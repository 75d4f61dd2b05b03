"""The one place that talks to the network: one file a service, SDKs imported when first used."""
