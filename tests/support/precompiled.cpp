// Nothing but an owner for the precompiled header that the test programs share.
