"""What is written for what is said in languages other than English and German."""

OTHER_WRITTEN = {
    "fr": """
vingt et un chats => 21 chats
dix personnes => 10 personnes
seize => 16
dix-sept ans => 17 ans
vingt-deux => 22
soixante-dix => 70
soixante et onze => 71
quatre-vingts => 80
quatre-vingt-un => 81
quatre-vingt-dix-neuf chats => 99 chats
cent vingt personnes => 120 personnes
deux cents => 200
deux cent trois => 203
neuf cent quatre-vingt-dix-neuf => 999
mille deux cents => 1200
deux mille => 2000
mille neuf cent quatre-vingt-dix-neuf => 1999
cent mille euros => 100000 euros
douze millions de gens => 12 millions de gens
vingt ou trente => 20 ou 30
""",
    "es": """
diez perros => 10 perros
dieciséis => 16
veinticinco personas => 25 personas
treinta y cinco => 35
noventa y nueve => 99
ciento veinte => 120
doscientas personas => 200 personas
quinientos => 500
mil quinientos => 1500
dos mil veinticuatro => 2024
cien mil => 100000
doce millones de personas => 12 millones de personas
veinte o treinta => 20 o 30
""",
    "it": """
dieci cani => 10 cani
ventuno => 21
ventotto => 28
trentacinque persone => 35 persone
centoventi => 120
duecento => 200
millenovecento => 1900
duemila => 2000
duemilaventiquattro => 2024
duecentomila => 200000
dodici milioni => 12 milioni
""",
    "nl": """
tien honden => 10 honden
drieëntwintig => 23
negenennegentig => 99
honderdtwintig => 120
tweehonderd mensen => 200 mensen
negentienhonderdnegenennegentig => 1999
tweeduizend => 2000
vijfentwintigduizend => 25000
twaalf miljoen mensen => 12 miljoen mensen
""",
    "da": """
ti hunde => 10 hunde
enogtyve => 21
halvtreds => 50
femoghalvfjerds => 75
nioghalvfems => 99
to hundrede => 200
to tusinde => 2000
tolv millioner => 12 millioner
""",
    "pt": """
dez pessoas => 10 pessoas
dezesseis => 16
dezasseis => 16
vinte e um => 21
noventa e nove => 99
cento e vinte => 120
duzentas pessoas => 200 pessoas
mil e quinhentos => 1500
dois mil e vinte e quatro => 2024
cem mil => 100000
doze milhões => 12 milhões
""",
}

OTHER_STAYS = {
    "fr": """
mille mercis
cent pour cent
un million d'euros
des millions
deux millions
une centaine
zéro six douze trente-quatre cinquante
douze virgule cinq
deux ou trois cents
dix cents
vingt vingt
un et demi
""",
    "es": """
mil gracias
cien por cien
un millón de personas
millones
miles de personas
dos o tres mil
doce coma cinco
medio millón
veinte veinticinco
cero seis doce
""",
    "it": """
mille grazie
cento per cento
un milione
migliaia di persone
due o trecento
dodici virgola cinque
mezzo milione
venti venticinque
""",
    "nl": """
duizend dank
honderd procent
een miljoen mensen
miljoenen
duizenden mensen
twee of driehonderd
twaalf komma vijf
anderhalf miljoen
half elf
""",
    "da": """
tusind tak
hundrede procent
en million mennesker
millioner
tusinder af mennesker
to eller tre hundrede
tolv komma fem
halvanden million
""",
    "pt": """
mil vezes
cem por cento
um milhão de pessoas
milhões
milhares de pessoas
dois ou três mil
doze vírgula cinco
meio milhão
""",
}
