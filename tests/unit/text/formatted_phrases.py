"""What is written for what is said in English and German, and what stays in words."""

ENGLISH_WRITTEN = """
I have ten dogs => I have 10 dogs
eleven people and twenty cats => 11 people and 20 cats
twenty-five people came => 25 people came
Twenty five people came => 25 people came
ninety-nine bottles => 99 bottles
one hundred people => 100 people
one hundred one => 101
one hundred and one dalmatians => 101 dalmatians
a hundred and twenty => 120
a hundred twenty five of them => 125 of them
two hundred people => 200 people
seven hundred and fifty => 750
nine hundred ninety nine => 999
one thousand people => 1000 people
one thousand two hundred => 1200
a thousand and one nights => 1001 nights
twelve hundred people => 1200 people
fifteen hundred and five => 1505
twenty one hundred => 2100
two thousand twenty four => 2024
nine thousand nine hundred ninety nine => 9999
ten thousand people => 10,000 people
twenty-five thousand people => 25,000 people
one hundred thousand => 100,000
a hundred thousand people => 100,000 people
three hundred forty five thousand six hundred seventy eight => 345,678
one million people => 1 million people
two million people => 2 million people
three hundred million people => 300 million people
one point five million people => 1.5 million people
two point seven five billion years => 2.75 billion years
seven billion people => 7 billion people
twenty five million three hundred thousand people => 25,300,000 people
one million two hundred thousand and five => 1,200,005
three point one four => 3.14
zero point five => 0.5
three point oh five => 3.05
one point five zero => 1.50
ninety eight point six degrees => 98.6 degrees
one dollar => $1
five dollars => $5
a hundred dollars => $100
one hundred dollars => $100
a thousand dollars => $1000
a million dollars => $1 million
ten thousand dollars => $10,000
five hundred thousand dollars => $500,000
fifteen hundred dollars => $1500
one point five million dollars => $1.5 million
two million dollars => $2 million
two million five hundred thousand dollars => $2,500,000
three billion euros => €3 billion
a twenty dollar bill => a $20 bill
twenty-five dollars and fifty cents => $25.50
twenty five dollars fifty cents => $25.50
five euros and five cents => €5.05
ten pounds and five pence => £10.05
ten pounds sterling => £10
ten pounds of flour => 10 pounds of flour
fifty cents => 50 cents
twenty dollars per hour => $20 per hour
ten dollars and twenty euros => $10 and €20
five percent => 5%
twenty five percent of a hundred and twenty => 25% of 120
one hundred percent => 100%
a hundred percent => 100%
one hundred ten percent => 110%
zero point five percent => 0.5%
two point two five per cent => 2.25%
fifty to sixty percent => 50 to 60%
a twenty percent raise => a 20% raise
the twenty first century => the 21st century
the tenth of June => the 10th of June
the twelfth man => the 12th man
the twentieth time => the 20th time
the thirty-third degree => the 33rd degree
the twenty-second floor => the 22nd floor
the one hundred and first airborne => the 101st airborne
the hundred and eleventh => the hundred and eleventh
May first => May 1
on May twenty first twenty twenty four => on May 21, 2024
May first, two thousand and five => May 1, 2005
June the third nineteen eighty four => June 3, 1984
May twenty second => May 22
December thirty-first, nineteen ninety nine => December 31, 1999
March second we left => March 2 we left
nineteen ninety nine => 1999
in nineteen oh five => in 1905
twenty oh five => 2005
twenty twenty four => 2024
twenty ten => 2010
eighteen sixty five => 1865
in eighteen nineteen => in 1819
in twenty thirty => in 2030
in the year twenty fifty => in the year 2050
nineteen hundred => 1900
nineteen hundred and five => 1905
two thousand and five => 2005
the nineteen nineties => the 1990s
the nineteen twenties => the 1920s
the eighteen hundreds => the 1800s
from nineteen fourteen to nineteen eighteen => from 1914 to 1918
three thirty p.m. => 3:30 p.m.
five pm => 5 pm
ten a.m. => 10 a.m.
eleven fifty nine pm => 11:59 pm
twelve oh five a.m. => 12:05 a.m.
five o'clock => 5 o'clock
twelve o'clock => 12 o'clock
call five five five one two three four => call 555-1234
two one two five five five one two three four => 212-555-1234
one two one two five five five one two three four => 1-212-555-1234
eight hundred five five five one two one two => 800-555-1212
one eight hundred five five five one two one two => 1-800-555-1212
oh two oh seven nine four six oh nine => 020794609
four one one one four one one one four one one one four one one one => 4111 4111 4111 4111
nine one one => 911
flight two one seven => flight 217
room four oh four => room 404
fifteen to twenty people => 15 to 20 people
ten or fifteen => 10 or 15
catch twenty two => catch 22
a sixty-year-old man => a 60-year-old man
minus twenty degrees => minus 20 degrees
twenty-odd people => 20-odd people
some two hundred people => some 200 people
in nineteen ninety nine, twenty people => in 1999, 20 people
sixteen, seventeen => 16, 17
two out of ten => two out of 10
one of twenty => one of 20
half past ten => half past 10
twenty of them and one more => 20 of them and one more
ten times => 10 times
chapter eleven => chapter 11
the tenth and the eleventh => the 10th and the 11th
fourteen days, five people, and thirty dogs => 14 days, five people, and 30 dogs
eighteen years => 18 years
between fifty and sixty => between 50 and 60
"""

ENGLISH_STAYS = """
thousands of people
a thousand of people
hundreds of thousands of dollars
tens of millions
millions
a hundred times
a thousand thanks
a million reasons
a million dollar question
hundred percent
hundred dollars
half a million
half a million dollars
half of a million dollars
a quarter of a million dollars
one and a half million dollars
two and a half million
two and a half
ten and a half
a million and a half
three quarters of a million
half a dozen
two dozen eggs
ten dozen eggs
a couple hundred people
a few hundred thousand people
several hundred thousand
many thousand people
one or two hundred
two or three thousand people
five to ten thousand
between twenty and thirty thousand dollars
ten, twenty, thirty thousand people
two, three hundred of them
ten to fifteen dollars
one hundred to two hundred dollars
from nine to five pm
point five million dollars
point five
one point
one half percent
one twentieth
a twentieth of it
an eleventh
nine tenths
two thirds
one hundredth
two hundredth
one thousandth of a second
a tenth
seven tenths of one percent
twenty second delay
a thirty second clip
wait a second
the second one
first of all
one of them
no one
two or three
nine lives
zero
seven eleven
nine eleven
three sixty
one fifty
two fifty a month
four twenty
ten four
twenty four seven
fifty fifty
sixty seven eight
forty five six
twenty twenty twenty
eight hundred five five
five six
one two
one two three
three two one
five four three two one
double oh seven
five five double five
five five five, double one two
eighteen nineteen year olds
twenty thirty people
sixteen seventeen
the nineties
the roaring twenties
his thirties
in his late forties
three point fourteen
one point five thousand
one oh point five
two dollars fifty
a dollar fifty
ten dollars five
two thousand million
one hundred two hundred
thousand
hundred and twenty
Apollo Thirteen
Ocean's Eleven
the Forty Niners
Seven Eleven
oh twenty people
oh no
o two
the first twenty
a hundred
the point one makes
at this point twenty
25 hundred people
2 million people
3 point five
25 dogs, $3.50, 10 percent, 3 p.m. and 1999
2 and a half
2 to three hundred
two hundred 2
B2 twenty
one two, three four
ten twenty-five
ten hundred thousand
twenty hundred
one hundred hundred
five five
twenty-five five
three million million
twenty and a half
one and twenty thousandths
quarter to ten
five quarters
sixty-twenty
hundred hundred
million dollars
a hundred hundred
forty five fifty
billions and billions
a trillion dollars
two billion five million
three trillion
twentieth and a half
five and a half percent
a hundred or two
ten percent fifty
fifty cents twenty
oh oh seven
zero zero
a and twenty thirds
teens and tens of thousands
score of four score
an hour and a half twenty
two twenties
ten tens
"""

GERMAN_WRITTEN = """
zehn Leute => 10 Leute
elf Freunde => 11 Freunde
Elf Leute kamen => 11 Leute kamen
zwölf Monate => 12 Monate
dreizehn => 13
sechzehn Tage => 16 Tage
siebzehn Jahr => 17 Jahr
neunzehn => 19
zwanzig => 20
einundzwanzig => 21
zweiundzwanzig Leute => 22 Leute
dreißig => 30
dreissig => 30
vierunddreißig => 34
sechsundsechzig => 66
siebenundsiebzig => 77
neunundneunzig Luftballons => 99 Luftballons
einhundert Leute => 100 Leute
ein hundert Leute => 100 Leute
hunderteins => 101
hundertundeins => 101
einhundertzwanzig => 120
hundertzwanzig Leute => 120 Leute
zweihundert => 200
zweihundertdrei Leute und drei Hunde => 203 Leute und drei Hunde
zwei hundert drei => 203
fünfhundertfünfundfünfzig => 555
neunhundertneunundneunzig => 999
eintausend => 1000
eintausend Euro => 1000 Euro
tausendeins => 1001
tausendzweihundert => 1200
elfhundert => 1100
zwölfhundert Leute => 1200 Leute
zweitausend => 2000
zweitausendfünf => 2005
zweitausendundfünf => 2005
zweitausendvierundzwanzig => 2024
neunzehnhundertneunundneunzig => 1999
im Jahr achtzehnhundertfünfundsechzig => im Jahr 1865
sechzehnhundertfünf => 1605
siebzehnhundert => 1700
zehntausend Leute => 10000 Leute
fünfundzwanzigtausend => 25000
hunderttausend Leute => 100000 Leute
einhunderttausend => 100000
zweihunderttausendfünfzig => 200050
dreihundertfünfundvierzigtausendsechshundertachtundsiebzig => 345678
zwölf Millionen Menschen => 12 Millionen Menschen
fünfundzwanzig Millionen Euro => 25 Millionen Euro
dreihundert Millionen => 300 Millionen
zehn Milliarden => 10 Milliarden
zehn Prozent => 10 Prozent
fünfundzwanzig Prozent => 25 Prozent
zwanzig Euro => 20 Euro
zwanzig Euro und fünfzig Cent => 20 Euro und 50 Cent
am zehnten Mai => am 10. Mai
am zwanzigsten Mai => am 20. Mai
der einundzwanzigste Juni => der 21. Juni
am einunddreißigsten Dezember neunzehnhundertneunundneunzig => am 31. Dezember 1999
am elften September => am 11. September
vom zwölften August an => vom 12. August an
zehn Uhr dreißig => 10 Uhr 30
um zwölf Uhr => um 12 Uhr
zehn bis fünfzehn Leute => 10 bis 15 Leute
zwanzig oder dreißig => 20 oder 30
zwischen zwanzig und dreißig => zwischen 20 und 30
zwanzig, dreißig => 20, 30
zwanzig mal => 20 mal
fünf vor zwölf => fünf vor 12
zehn von zwanzig => 10 von 20
drei von zehn => drei von 10
Seite zweihundertzwölf => Seite 212
minus zwanzig Grad => minus 20 Grad
vierzehn Tage => 14 Tage
fünfzig Meter => 50 Meter
sechzig Minuten und dreißig Sekunden => 60 Minuten und 30 Sekunden
achtzehn Jahre alt => 18 Jahre alt
etwa zweihundert Leute => etwa 200 Leute
über vierzig => über 40
"""

GERMAN_STAYS = """
eine Million Menschen
eine Million
Millionen
Millionen von Menschen
zwei Millionen Euro
neun Milliarden
eine Milliarde
hundert Millionen
eine halbe Million
eineinhalb Millionen
anderthalb Millionen
zweieinhalb Millionen
ein paar Millionen
tausend Dank
tausend Leute
hundert Leute
hundert Prozent
hundert
tausend
Tausende von Leuten
Hunderte
Zehntausende
ein paar hundert Leute
mehrere tausend Leute
viele tausend Menschen
zwei bis dreihundert
zwei oder drei Tausend
fünf bis zehntausend
zehn bis zwölf Millionen
zwanzig, dreißig Millionen
ein bis zwei hundert
zwölf Komma fünf
zwölf Komma fünf Prozent
drei Komma fünf
null Komma fünf
zwölf Millionen dreihunderttausend
zwölf Millionen Milliarden
ein Drittel
zwei Drittel
ein Zehntel
zehn Zehntel
halb elf
viertel elf
dreiviertel zwölf
zehneinhalb
anderthalb
ein Dutzend
zwei Dutzend
zehn Dutzend Eier
eins
ein Hund
eine Katze
zwei oder drei
drei Hunde
neun Leben
null
null acht neun
null acht fünfzehn
eins zwei drei
fünf sechs
zwanzig zwanzig
zwanzig fünfundzwanzig
neunzehn neunundneunzig
zehn vier
der zehnte
der zwanzigste
das einundzwanzigste Jahrhundert
der zwanzigste Mann
der hundertste Besucher
der dritte Mai
ein zwanzigster März
am ersten Mai
die deutsche Elf
Apollo Dreizehn
die Zwölf
die neunziger Jahre
die neunzehnhundertneunziger Jahre
ein Fünfziger
vierziger
zweitausend tausend
hundert hundert
tausend und eine Nacht
2 Millionen
25 hundert
20 Leute, 12,5 Prozent, 1999
2 bis dreihundert
zwanzig 20
ein zwanzig dreißig
zehn halbe
ein Hundert
zehn Tausend
"""
