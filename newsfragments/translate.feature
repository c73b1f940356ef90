Commands may be given in the words of OCPP 1.x or 2.x, whichever the station speaks; `docs/commands.md` has the table.
