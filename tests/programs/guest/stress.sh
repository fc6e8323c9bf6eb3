# stress-ng checks its own results (--verify). Times are left out of what is printed.
cd /tmp
stress() {
  if stress-ng --verify --temp-path /tmp --timeout 600 "$@" > log 2>&1 && ! grep -iE 'fail|mismatch|error' log; then
    echo "stress-ng $*: passed"
  else
    echo "stress-ng $*: 1 failed"
  fi
}
methods=$(stress-ng --cpu 1 --cpu-method none 2>&1 | sed -n 's/.*must be one of: *//p' | sed 's/\<all\> *//')
echo "$(echo $methods | wc -w) methods"
for method in $methods; do stress --cpu 1 --cpu-method $method --cpu-ops 1; done
stress --vecmath 1 --vecmath-ops 20
stress --vecwide 1 --vecwide-ops 10
stress --vecfp 1 --vecfp-ops 1
stress --vecshuf 1 --vecshuf-ops 2
stress --matrix 1 --matrix-size 32 --matrix-ops 100
stress --fp 1 --fp-ops 2
stress --funccall 1 --funccall-ops 20
stress --atomic 1 --atomic-ops 20
stress --crypt 1 --crypt-ops 2
stress --hash 1 --hash-ops 5
stress --branch 1 --branch-ops 20
stress --cacheline 1 --cacheline-ops 5
stress --memcpy 1 --memcpy-ops 5
stress --str 1 --str-ops 10
stress --zlib 1 --zlib-ops 1
