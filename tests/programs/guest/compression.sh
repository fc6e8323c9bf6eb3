# What gzip and xz make of the same bytes, and that they come back.
cd /tmp
cat /usr/bin/python3.11 | head -c 500000 > plain
for level in 1 9; do gzip -n -$level < plain > packed; echo "gzip -$level $(sha256sum < packed)"; gunzip < packed | cmp - plain; done
for level in 0 3; do xz -T1 -$level < plain > packed; echo "xz -$level $(sha256sum < packed)"; xz -d < packed | cmp - plain; done
gzip -9 < plain | head -c 20000 | gunzip 2>&1 > /dev/null | sed 's/.*: //'
echo "sums $(md5sum < plain) $(sha1sum < plain) $(sha512sum < plain) $(cksum < plain) $(b2sum < plain)"
