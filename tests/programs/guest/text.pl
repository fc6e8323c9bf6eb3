# Expressions, sorting, hashes, packing, formats and big loops of perl: a line for each.
use strict;
use warnings;

my $seed = 12345;
sub next_number { $seed = ($seed * 1103515245 + 12345) & 0x7fffffff; return $seed }
my @numbers = map { next_number() } 1 .. 5000;
my @sorted = sort { $a <=> $b } @numbers;
print "sorted $sorted[0] $sorted[2500] $sorted[-1]\n";

my $text = join " ", map { sprintf "%s%d", ("alpha", "beta", "gamma", "delta")[$_ % 4], $_ % 97 } @numbers;
my %count;
$count{$1}++ while $text =~ /\b([a-z]+)\d+/g;
print join(", ", map { "$_ $count{$_}" } sort keys %count), "\n";
(my $swapped = $text) =~ s/(\w)(\w*?)(\d+)/$3$2$1/g;
print "swapped ", unpack("%32C*", $swapped), " ", length $swapped, "\n";
print "long words ", scalar(() = $text =~ /\b(?=[a-z]{5})(?!gamma)\w+?(?<=[0-9])\b/g), "\n";
print "reversed ", unpack("%32C*", scalar reverse uc $text), "\n";

print join(" ", map { sprintf "%.15g", $_ } sqrt 2, exp 1, atan2(1, 1) * 4, sin 1, cos 1, log 10, 2 ** 0.5, 10 / 3, 1e308 * 10), "\n";
print join(" ", map { sprintf "%e %g %a", $_, $_, $_ } map { $_ / 7 } @numbers[0 .. 4]), "\n";
print unpack("H*", pack "C n N v V Q> d> f> w A5 Z* H4", 200, 40000, 3e9, 40000, 3e9, 2 ** 60, 1.5, -2.25, 300, "ab", "cd", "beef"), "\n";
my $sum = 0;
$sum = ($sum * 31 + ($_ ^ ($_ >> 3))) % 1000003 for 1 .. 200_000;
print "loop $sum\n";
my @sieve = (1) x 20000;
for my $n (2 .. 141) { next unless $sieve[$n]; for (my $m = $n * $n; $m < @sieve; $m += $n) { $sieve[$m] = 0 } }
print "primes ", scalar(grep { $sieve[$_] } 2 .. $#sieve), "\n";
