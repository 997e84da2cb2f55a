"""The licences of all that we install, from what the packages say, and which we accept."""
