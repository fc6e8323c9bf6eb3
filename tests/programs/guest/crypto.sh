# OpenSSL's digests, ciphers, numbers and signatures; with what the CPU has for them, and without.
cd /tmp
head -c 100003 /usr/bin/python3.11 > plain
for capabilities in default 0; do
  [ $capabilities = default ] || export OPENSSL_armcap=$capabilities
  for digest in md5 sha1 sha224 sha256 sha384 sha512 sha512-256 sha3-256 sha3-512 shake256 blake2b512 blake2s256 sm3 ripemd160; do
    openssl dgst -$digest < plain
  done
  for cipher in aes-128-cbc aes-256-ctr aes-192-ecb aes-256-cfb aes-128-ofb chacha20 camellia-256-cbc aria-128-ctr des-ede3-cbc sm4-cbc; do
    key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
    case $cipher in *128*|sm4*) key=$(echo $key | head -c 32) ;; *192*|des*) key=$(echo $key | head -c 48) ;; esac
    iv="-iv f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
    case $cipher in *ecb) iv= ;; des*) iv="-iv f0f1f2f3f4f5f6f7" ;; esac
    openssl enc -$cipher -K $key $iv < plain > closed && echo "$cipher $(sha256sum < closed)"
    openssl enc -d -$cipher -K $key $iv < closed | cmp - plain
  done
  openssl mac -cipher AES-128-CBC -macopt hexkey:000102030405060708090a0b0c0d0e0f -in plain CMAC
  openssl mac -digest SHA256 -macopt hexkey:00010203 -in plain HMAC
  openssl mac -macopt hexkey:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f -in plain Poly1305
  openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt pass:secret -kdfopt salt:salt -kdfopt iter:500 PBKDF2
  openssl kdf -keylen 32 -kdfopt pass:secret -kdfopt salt:salt -kdfopt n:64 -kdfopt r:8 -kdfopt p:1 SCRYPT
  openssl prime -checks 20 170141183460469231731687303715884105727 20988936657440586486151264256610222593863921 1000000007000000049
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out certificate -subj /CN=guest -days 9 2> /dev/null
  openssl verify -CAfile certificate certificate
  for kind in "ec -pkeyopt ec_paramgen_curve:P-384" "ec -pkeyopt ec_paramgen_curve:secp256k1" ED25519 ED448 "rsa -pkeyopt rsa_keygen_bits:1024"; do
    openssl genpkey -algorithm $kind -out key 2> /dev/null && openssl pkey -in key -pubout -out public
    openssl pkeyutl -sign -inkey key -rawin -in certificate -out signature && echo "$kind: $(openssl pkeyutl -verify -pubin -inkey public -rawin -in certificate -sigfile signature)"
    sed s/A/B/ certificate | openssl pkeyutl -verify -pubin -inkey public -rawin -in /dev/stdin -sigfile signature 2> /dev/null
  done
  openssl genpkey -algorithm X25519 -out one; openssl genpkey -algorithm X25519 -out two
  openssl pkey -in one -pubout -out public1; openssl pkey -in two -pubout -out public2
  openssl pkeyutl -derive -inkey one -peerkey public2 -out secret1; openssl pkeyutl -derive -inkey two -peerkey public1 -out secret2
  cmp secret1 secret2 && echo "X25519 agrees"
done
