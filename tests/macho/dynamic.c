// SPDX-License-Identifier: GPL-2.0
/* A program for dyld.c to look at; it is not run. */
int numbers[2000] = { 1 };
int zeroes[5000];

int main(void);

int main(void)
{
	return numbers[zeroes[0]];
}
