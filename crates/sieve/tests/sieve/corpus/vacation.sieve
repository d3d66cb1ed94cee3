require ["vacation", "envelope", "variables"];
if header :matches "subject" "*" { set "subject" "${1}"; }
if not envelope :contains "from" "owner" { vacation :days 3 :subject "Away: ${subject}" "I am away."; }
