`[embedded] meter_values_days` says how long meter values are kept; `id_tag_pattern` what part of an id tag counts.
